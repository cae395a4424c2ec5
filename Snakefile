# Breakeven: when does making a model cheaper pay off?
# snakemake --cores all [--configfile workflow/config/smoke.yaml] [--config key=value]
from snakemake.utils import min_version

min_version("9.27")


configfile: "workflow/config/default.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/bundles.smk"
include: "workflow/rules/prepare.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/compress.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/measure.smk"
include: "workflow/rules/collect.smk"


rule all:
    default_target: True
    input:
        report(
            [below(results.board(board)) for board in CELLS],
            category="Boards",
            caption="workflow/report/boards.rst",
        ),
