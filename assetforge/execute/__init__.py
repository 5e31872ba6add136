"""Run one job: pull the maps that its outputs need through the steps, reusing what the store has."""
