# A cell timed beside its reference, alone on the machine.


rule measure:
    input:
        unpack(lambda w: {name: below(folder) for name, folder in grid.measured_from(w).items()}),
        data=below(results.data("{task}")),
    output:
        directory(below(results.cell(MODEL, "{chain}", "{hardware}"))),
    log:
        below(results.log("measure", MODEL, "{chain}@{hardware}")),
    group:
        BUNDLES.group("measure")
    conda:
        "../envs/breakeven.yaml"
    threads: lambda w: all_cores(w.hardware)
    resources:
        **slurm.resources(GRID, lambda w: w.hardware, alone=lambda w: True, models=2),
        runtime=BUNDLES.runtime("measure"),
        turn=1,
        timeout_min=TIMEOUT_MIN,
    params:
        versions=protocol.VERSIONS,
        hardware=lambda w: slurm.execution(w.hardware),
        mode=GRID.mode,
    shell:
        "python -m breakeven measure --task {wildcards.task:q}"
        " --trained-as {wildcards.training_method:q}@{wildcards.train_hardware:q} --seed {wildcards.seed}"
        " --chain {wildcards.chain:q} --hardware {wildcards.hardware:q} --mode {params.mode}"
        " --artifact {input.artifact:q} --reference {input.reference:q} --evaluation {input.evaluation:q}"
        " --reference-evaluation {input.reference_evaluation:q} --data {input.data:q} --output {output:q}"
        " --timeout-min {resources.timeout_min} > {log:q} 2>&1"
