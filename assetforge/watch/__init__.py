"""The watch daemon: builds what arrives. Events may be lost; what a scan of the folders finds is authoritative."""
