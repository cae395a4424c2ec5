# Breakeven: when does making a model cheaper pay off? The workflow itself is workflow/Snakefile.
# snakemake --cores all [--configfile workflow/config/smoke.yaml] [--config key=value]
include: "workflow/Snakefile"


workflow.default_target = "all"  # the default target of an included file does not count
