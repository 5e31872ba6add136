"""Is a material sound? Checks that measure maps and compare with thresholds; what is certain is an error."""
