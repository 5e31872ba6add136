"""The watch daemon: builds what arrives. Events are hints; what a scan of the folders finds is authoritative."""
