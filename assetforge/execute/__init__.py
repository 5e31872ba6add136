"""Run jobs: cut into stages, which worker processes do one at a time, so that a crash costs one attempt of one job."""
