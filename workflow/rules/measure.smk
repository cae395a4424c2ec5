# A cell timed beside its reference, alone on the machine.


rule measure:
    input:
        unpack(lambda w: grid.measured_from(RESULTS, w)),
        data=f"{RESULTS}/data/{{task}}.json",
    output:
        directory(f"{RESULTS}/cells/{MODEL}/{{chain}}@{{hardware}}"),
    log:
        f"{RESULTS}/logs/measure/{MODEL}/{{chain}}@{{hardware}}.log",
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
        timing=GRID.timing,
    shell:
        "python -m breakeven measure --task {wildcards.task:q} --training {wildcards.training:q}@{wildcards.train_hardware:q}"
        " --seed {wildcards.seed} --chain {wildcards.chain:q} --hardware {wildcards.hardware:q} --mode {params.timing}"
        " --artifact {input.artifact:q} --reference {input.reference:q} --evaluation {input.evaluation:q}"
        " --reference-evaluation {input.reference_evaluation:q} --data {input.data:q} --output {output:q}"
        " --timeout-min {resources.timeout_min} > {log:q} 2>&1"
