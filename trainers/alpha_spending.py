"""What level the next challenger of one champion is judged at.

Every challenger is another chance for luck: of ten that are no better, each judged at 10 %, one
or more pass in two cases of three. The k-th is judged at 2 alpha / (k (k + 1)): the first at alpha,
all together at no more than twice alpha, however many come.
Source: a summable level per test, as Foster and Stine (2008), "Alpha-investing", without rewards.
"""


def alpha_of(alpha: float, challengers_before: int) -> float:
    """Return the one-sided level for a challenger after `challengers_before` others.

    >>> [round(alpha_of(0.1, before), 4) for before in range(4)]
    [0.1, 0.0333, 0.0167, 0.01]
    """
    number = challengers_before + 1
    return 2.0 * alpha / (number * (number + 1))
