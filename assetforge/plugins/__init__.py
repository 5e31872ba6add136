"""Find, load and check plugins; give back a `Registry`."""

from assetforge.plugins.code import code_digest as code_digest
from assetforge.plugins.load import load as load
from assetforge.plugins.load import reload as reload
from assetforge.plugins.local import FOLDER as FOLDER
from assetforge.plugins.registry import Plugin as Plugin
from assetforge.plugins.registry import Registry as Registry
