"""How boosted trees grow with the sample: more of them, and with fuller leaves."""

TREES_FEW, TREES_MANY = 150, 500
ROWS_FEW, ROWS_MANY = 2_000, 10_000
MIN_CHILD = 40
MIN_CHILD_FLOOR = 10


def tree_count(rows: int, factor: float = 1.0) -> int:
    """Return `factor` times the number of trees for a sample of `rows`, at least one.

    >>> tree_count(500), tree_count(6_000), tree_count(50_000), tree_count(500, 0.5)
    (150, 325, 500, 75)
    """
    share = min(max((rows - ROWS_FEW) / (ROWS_MANY - ROWS_FEW), 0.0), 1.0)
    return max(1, round(factor * round(TREES_FEW + share * (TREES_MANY - TREES_FEW))))


def min_child(rows: int) -> int:
    """Return the fewest rows of a leaf: 40, less for very small samples, more for large ones.

    >>> min_child(60), min_child(2_000), min_child(50_000)
    (10, 40, 200)
    """
    if rows > ROWS_MANY:
        return MIN_CHILD * rows // ROWS_MANY
    return min(MIN_CHILD, max(MIN_CHILD_FLOOR, rows // 12))
