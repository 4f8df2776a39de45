"""Statistics of strategies: performance, deflated Sharpe ratios, overfitting, walk-forward."""
