"""For the tests of plugins: run a step as AssetForge does, and check what every step promises.

All are plain functions that raise AssertionError with what is wrong, so that any test runner can use them::

    from assetforge import testing

    def test_bake_occlusion() -> None:
        testing.check_step(bake_occlusion, testing.sample("brick"), Params(strength=0.5))
"""

from assetforge.testing._checks import check_declarations as check_declarations
from assetforge.testing._checks import check_deterministic as check_deterministic
from assetforge.testing._checks import check_step as check_step
from assetforge.testing._checks import check_tileable as check_tileable
from assetforge.testing._checks import check_tiles_do_not_show as check_tiles_do_not_show
from assetforge.testing._imports import check_imports as check_imports
from assetforge.testing._run import StepResult as StepResult
from assetforge.testing._run import run_step as run_step
from assetforge.testing._run import sample as sample
