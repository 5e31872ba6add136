"""The watch daemon: builds what arrives. Events are hints; the truth is what lies in the folders."""
