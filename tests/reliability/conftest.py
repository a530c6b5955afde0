from hypothesis import settings

# The same cases in each run, so that a new failure comes from a change in the code; for more and other ones:
# pytest tests/reliability/test_properties.py --hypothesis-profile thorough
settings.register_profile("repeatable", max_examples=40, deadline=None, derandomize=True)
settings.register_profile("thorough", max_examples=1000, deadline=None)
settings.load_profile("repeatable")
