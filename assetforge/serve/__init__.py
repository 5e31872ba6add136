"""The web service: a page and an API over the state of pipelines. It reads, and leaves requests; the daemon builds.

It opens no pipeline, loads no plugin and never imports torch.
"""
