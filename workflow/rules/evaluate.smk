# The quality of an artifact in the runtime that serves it, once per kind of accelerator.


rule evaluate:
    input:
        artifact=lambda w: below(grid.artifact(grid.trained(w).key, w.chain)),
        runtime=lambda w: grid.runtime_sources(w.chain),
    output:
        directory(below(results.evaluation(MODEL, "{chain}", "{accelerator}"))),
    log:
        below(results.log("evaluate", MODEL, "{chain}@{accelerator}")),
    group:
        BUNDLES.group("evaluate")
    conda:
        "../envs/breakeven.yaml"
    resources:
        **slurm.resources(GRID, lambda w: slurm.evaluated_on(GRID, w.accelerator)),
        runtime=BUNDLES.runtime("evaluate"),
        turn=1,
        timeout_min=TIMEOUT_MIN,
    shell:
        "python -m breakeven evaluate --task {wildcards.task:q} --chain {wildcards.chain:q}"
        " --accelerator {wildcards.accelerator} --source {input.artifact:q} --output {output:q}"
        " --timeout-min {resources.timeout_min} > {log:q} 2>&1"
