# The two boards: the rows of the grid's cells, at the prices of today's hardware files.


rule collect_training:
    input:
        rows=expand(f"{RESULTS}/models/{{key}}", key=[training.key for training in GRID.trainings]),
        prices=registry.hardware_sources(training.hardware for training in GRID.trainings),
    output:
        f"{RESULTS}/training.parquet",
    log:
        f"{RESULTS}/logs/collect/training.log",
    conda:
        "../envs/breakeven.yaml"
    shell:
        "python -m breakeven collect --kind training --output {output:q} {input.rows:q} > {log:q} 2>&1"


rule collect_inference:
    input:
        rows=expand(f"{RESULTS}/cells/{{key}}", key=[cell.key for cell in GRID.cells]),
        prices=registry.hardware_sources(cell.hardware for cell in GRID.cells),
    output:
        f"{RESULTS}/inference.parquet",
    log:
        f"{RESULTS}/logs/collect/inference.log",
    conda:
        "../envs/breakeven.yaml"
    shell:
        "python -m breakeven collect --kind inference --output {output:q} {input.rows:q} > {log:q} 2>&1"
