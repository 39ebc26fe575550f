"""How people come at the study: JupyterLab, the list of its arms, its packaged lists for their own pools."""
