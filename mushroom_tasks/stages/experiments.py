"""Experiments in MLflow: one per DAG, named as the DAG is."""

INGEST, BUILD, TRAIN = "inat_ingest", "dataset_build", "model_train"
