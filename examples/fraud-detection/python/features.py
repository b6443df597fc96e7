"""What the model knows of a transaction. Training and serving share this file, so that both mean the same by a number."""

import math

# The order of the columns that train.py learns from, and of the weights.
NAMES = ("log_amount", "night", "online", "frauds", "merchant_risk")

MOST_FRAUDS = 5  # more than so many say nothing new


def row(amount, hour, online, frauds, merchant_risk):
    """Is one transaction as numbers: amount in units of money, hour from 0 to 23, frauds of its account in the last 30 days."""
    return (
        math.log1p(amount),
        1.0 if hour < 6 else 0.0,
        1.0 if online else 0.0,
        float(min(frauds, MOST_FRAUDS)),
        float(merchant_risk),
    )
