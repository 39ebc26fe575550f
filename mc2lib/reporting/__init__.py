"""What the numbers say: findings, tables, sentences, plots; pure functions."""
