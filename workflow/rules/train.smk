# Data, and the models trained on them: once per task, training method, hardware profile and seed.


rule data:
    input:
        source=lambda w: registry.task_sources(w.task),
    output:
        f"{RESULTS}/data/{{task}}.json",
    log:
        f"{RESULTS}/logs/data/{{task}}.log",
    conda:
        "../envs/breakeven.yaml"
    shell:
        "python -m breakeven data --task {wildcards.task:q} --output {output:q} > {log:q} 2>&1"


rule train:
    input:
        data=f"{RESULTS}/data/{{task}}.json",
        task=lambda w: registry.task_sources(w.task),
        method=lambda w: registry.method_sources(w.training),
    output:
        directory(f"{RESULTS}/models/{MODEL}"),
    log:
        f"{RESULTS}/logs/train/{MODEL}.log",
    # Before all that is short, or the longest training ends after all others with a core idle beside it.
    priority: 1
    group:
        BUNDLES.group("train")
    conda:
        "../envs/breakeven.yaml"
    # A cell of the training board owns the machine; a model that only chains start from trains beside others.
    threads: lambda w: (all_cores if grid.training_of(w).key in TIMED else slurm.threads)(w.train_hardware)
    resources:
        **slurm.resources(
            GRID,
            lambda w: w.train_hardware,
            alone=lambda w: grid.training_of(w).key in TIMED,
            spread=on_cluster,
        ),
        runtime=BUNDLES.runtime("train"),
        turn=1,
        timeout_min=TIMEOUT_MIN,
    params:
        versions=protocol.VERSIONS,
        hardware=lambda w: slurm.execution(w.train_hardware),
        timed=lambda w: "--timed" if grid.training_of(w).key in TIMED else "",
        launcher=lambda w, resources: slurm.launcher(w.train_hardware, resources),
    shell:
        "{params.launcher}python -m breakeven train --task {wildcards.task:q} --method {wildcards.training:q}"
        " --hardware {wildcards.train_hardware:q} --seed {wildcards.seed} --data {input.data:q}"
        " --output {output:q} --timeout-min {resources.timeout_min} {params.timed} > {log:q} 2>&1"
