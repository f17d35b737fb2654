"""The workflow from iNaturalist's open photos to a species classifier that runs on a phone.

A plain Python package: everything here imports and runs without Airflow. `stages` holds one
function per task of the workflow; the DAGs in `dags/` and the command line in `cli` call the same ones.
"""

__version__ = "0.1.0"
