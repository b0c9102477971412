"""How many bytes a model needs: from a few facts for ranking many, or to the byte from a file's header.

`quick` takes what a catalog knows. `exact` takes a header with its tensor table and how the model is run, and
answers by part and by device as llama.cpp itself would.
"""
