"""The command line: `mushroom run`, `predict`, `datasets`, `sample`, `settings`, the services and each stage by hand.

mushroom run --source https://inaturalist-open-data.s3.amazonaws.com --workdir work
"""

from mushroom_tasks.cli.main import main

__all__ = ["main"]
