"""Who wins: what estimators of win rates share."""
