"""The normal distribution by IEEE operations alone, so that every platform computes the same values to the last bit.

The functions of `math` and `statistics` call the platform's logarithm and exponential, and C compilers may fuse
operations; the last bit then depends on both. Here are sums, products, quotients and square roots of Python's floats,
which IEEE 754 defines exactly, and the exponential of `decimals`.
"""

from functools import reduce
from math import frexp, sqrt

from rungway_server.domain.space.decimals import exponential

_ROOT_2_PI = 2.5066282746310005
_FARTHEST = 38.0
"""So many standard deviations out, a probability is less than a float can hold."""
_SERIES_ENDS = 3.0
_TERMS = 100
_LN2_HIGH, _LN2_LOW = 0.693147180369123816490, 1.90821492927058770002e-10
_ROOT_HALF = 0.7071067811865476

# Wichura 1988, "Algorithm AS 241: The Percentage Points of the Normal Distribution", highest powers first.
_CENTRE = (
    (
        *(2.5090809287301226727e3, 3.3430575583588128105e4, 6.7265770927008700853e4, 4.5921953931549871457e4),
        *(1.3731693765509461125e4, 1.9715909503065514427e3, 1.3314166789178437745e2, 3.3871328727963666080),
    ),
    (
        *(5.2264952788528545610e3, 2.8729085735721942674e4, 3.9307895800092710610e4, 2.1213794301586595867e4),
        *(5.3941960214247511077e3, 6.8718700749205790830e2, 4.2313330701600911252e1, 1.0),
    ),
)
_SIDES = (
    (
        *(7.7454501427834140764e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1, 1.27045825245236838258),
        *(3.64784832476320460504, 5.76949722146069140550, 4.63033784615654529590, 1.42343711074968357734),
    ),
    (
        *(1.05075007164441684324e-9, 5.475938084995344946e-4, 1.51986665636164571966e-2, 1.48103976427480074590e-1),
        *(6.89767334985100004550e-1, 1.67638483018380384940, 2.05319162663775882187, 1.0),
    ),
)
_TAILS = (
    (
        *(2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3, 2.65321895265761230930e-2),
        *(2.96560571828504891230e-1, 1.78482653991729133580, 5.46378491116411436990, 6.65790464350110377720),
    ),
    (
        *(2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5, 7.86869131145613259100e-4),
        *(1.48753612908506148525e-2, 1.36929880922735805310e-1, 5.99832206555887937690e-1, 1.0),
    ),
)


def quantile(probability: float) -> float:
    """The number of standard deviations, zero or negative, below which a draw lies with this probability, which is more
    than 0 and at most one half. The relative error is about 1e-15."""
    away = 0.5 - probability
    if away <= 0.425:
        return -away * _ratio(_CENTRE, 0.180625 - away * away)
    distance = sqrt(-ln(probability))
    return -_ratio(_SIDES, distance - 1.6) if distance <= 5.0 else -_ratio(_TAILS, distance - 5.0)


def mass(low: float, high: float) -> float:
    """The probability between two numbers of standard deviations, low < high, infinities included."""
    if low > 0:
        return below(-low) - below(-high)
    return below(high) - below(low) if high < 0 else 1.0 - below(low) - below(-high)


def below(deviations: float) -> float:
    """The probability below zero or a negative number of standard deviations.

    By the series of Marsaglia 2004, "Evaluating the Normal Distribution", and far out by the continued fraction of
    Laplace.
    """
    distance = -deviations
    if distance > _FARTHEST:
        return 0.0
    density = exponential(-0.5 * distance * distance) / _ROOT_2_PI
    if distance > _SERIES_ENDS:
        return density / reduce(lambda rest, term: distance + term / rest, range(_TERMS, 0, -1), distance)
    total = term = distance
    divisor = 1
    while total + term != total:
        divisor += 2
        term *= distance * distance / divisor
        total += term
    return 0.5 - density * total


def ln(number: float) -> float:
    """The natural logarithm of a positive number, to about the last bit."""
    part, power = frexp(number)
    if part < _ROOT_HALF:
        part, power = 2.0 * part, power - 1
    ratio = (part - 1.0) / (part + 1.0)
    return power * _LN2_HIGH + (2.0 * ratio * _series(ratio * ratio) + power * _LN2_LOW)


def ln_above_one(more: float) -> float:
    """The natural logarithm of 1 + more, for a positive number, also a very small one."""
    if more > 1.0:
        return ln(1.0 + more)
    ratio = more / (2.0 + more)
    return 2.0 * ratio * _series(ratio * ratio)


def _series(square: float) -> float:
    """1 + x ** 2 / 3 + x ** 4 / 5 …, for x up to 1 / 3."""
    return reduce(lambda total, odd: total * square + 1.0 / odd, range(33, 0, -2), 1.0 / 35)


def _ratio(powers: tuple[tuple[float, ...], tuple[float, ...]], at: float) -> float:
    above, under = powers
    return reduce(lambda total, power: total * at + power, above) / reduce(
        lambda total, power: total * at + power, under
    )
