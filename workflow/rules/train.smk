# Models: one per task, training method, hardware profile and seed.


rule train:
    input:
        data=below(results.data("{task}")),
        task=lambda w: registry.task_sources(w.task),
        method=lambda w: registry.method_sources(w.training_method),
    output:
        directory(below(results.model(MODEL))),
    log:
        below(results.log("train", MODEL)),
    # Long jobs first: or the longest training would end last, with a core idle beside it.
    priority: 1
    group:
        BUNDLES.group("train")
    conda:
        "../envs/breakeven.yaml"
    # A cell of the training board owns the machine. A model that is only the start of chains trains beside others.
    threads: lambda w: (all_cores if is_timed(w) else slurm.threads)(w.train_hardware)
    resources:
        **slurm.resources(GRID, lambda w: w.train_hardware, alone=is_timed, spread=on_cluster),
        runtime=BUNDLES.runtime("train"),
        turn=1,
        timeout_min=TIMEOUT_MIN,
    params:
        versions=protocol.VERSIONS,
        hardware=lambda w: slurm.execution(w.train_hardware),
        timed=lambda w: "--timed" if is_timed(w) else "",
        launcher=lambda w, resources: slurm.launcher(w.train_hardware, resources),
    shell:
        "{params.launcher}python -m breakeven train --task {wildcards.task:q}"
        " --training-method {wildcards.training_method:q} --hardware {wildcards.train_hardware:q}"
        " --seed {wildcards.seed} --data {input.data:q} --output {output:q}"
        " --timeout-min {resources.timeout_min} {params.timed} > {log:q} 2>&1"
