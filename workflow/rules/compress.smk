# One step of a chain. It starts from the artifact of the steps before, which other chains may share.


rule compress:
    input:
        source=lambda w: below(grid.prefix_artifact(grid.trained(w).key, w.chain)),
        method=lambda w: grid.step_sources(w.chain),
        fine_tuning=registry.method_sources("single_device"),
    output:
        directory(below(results.artifact(MODEL, "{chain}"))),
    log:
        below(results.log("compress", MODEL, "{chain}")),
    group:
        BUNDLES.group("compress")
    conda:
        "../envs/breakeven.yaml"
    threads: lambda w: slurm.threads(w.train_hardware)
    resources:
        **slurm.resources(GRID, lambda w: w.train_hardware),
        runtime=BUNDLES.runtime("compress"),
        turn=1,
        timeout_min=TIMEOUT_MIN,
    params:
        step=lambda w: grid.last_step(w.chain),
    shell:
        "python -m breakeven compress --task {wildcards.task:q} --step {params.step:q} --seed {wildcards.seed}"
        " --hardware {wildcards.train_hardware:q} --source {input.source:q} --output {output:q}"
        " --timeout-min {resources.timeout_min} > {log:q} 2>&1"
