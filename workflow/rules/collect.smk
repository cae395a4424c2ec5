# A board: the rows of all its cells, at the prices that the hardware files state now.


CELLS = {
    "training": [(below(results.model(cell.key)), cell.hardware) for cell in GRID.training_cells],
    "inference": [(below(cell.folder), cell.hardware) for cell in GRID.inference_cells],
}


rule collect:
    input:
        rows=lambda w: [folder for folder, _ in CELLS[w.board]],
        prices=lambda w: registry.hardware_sources(hardware for _, hardware in CELLS[w.board]),
    output:
        below(results.board("{board}")),
    log:
        below(results.log("collect", "{board}")),
    conda:
        "../envs/breakeven.yaml"
    shell:
        "python -m breakeven collect --board {wildcards.board} --output {output:q} {input.rows:q} > {log:q} 2>&1"
