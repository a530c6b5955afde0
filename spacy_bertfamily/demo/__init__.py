"""A page in the browser to try a pipeline in, with Streamlit."""
