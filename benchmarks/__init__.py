"""How fast it is: typical and adversarial inputs, medians, ratios to a slow twin in the same run."""
