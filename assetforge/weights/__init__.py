"""Named network weights: where their files lie, adding those that we may not ship, and loading that is verified."""

from assetforge.weights.files import FOLDER as FOLDER
from assetforge.weights.files import SHIPPED as SHIPPED
from assetforge.weights.files import SUFFIX as SUFFIX
from assetforge.weights.files import card as card
from assetforge.weights.files import find as find
from assetforge.weights.files import layers as layers
from assetforge.weights.files import layers_of as layers_of
from assetforge.weights.files import license_of as license_of
from assetforge.weights.files import load as load
from assetforge.weights.files import names as names
from assetforge.weights.files import names_in as names_in
from assetforge.weights.files import sha256 as sha256
from assetforge.weights.files import shapes as shapes
from assetforge.weights.files import user_folder as user_folder
