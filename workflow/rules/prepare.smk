# The data of a task: obtained and prepared once.


rule prepare:
    input:
        source=lambda w: registry.task_sources(w.task),
    output:
        below(results.data("{task}")),
    log:
        below(results.log("prepare", "{task}")),
    conda:
        "../envs/breakeven.yaml"
    shell:
        "python -m breakeven prepare --task {wildcards.task:q} --output {output:q} > {log:q} 2>&1"
