"""Ray, Spark and Dask give the rows of one process, in order, also when workers are killed."""

import pytest

from spacy_bertfamily.scale.corpus import annotate_corpus

from ..util.annotating import FAILS, KILLS, capitals, contents, write_rows
from ..util.extras import require

ray = require("ray")
ray_data = require("ray.data")
sql = require("pyspark.sql")
dask = require("dask.dataframe")
pd = require("pandas")

TEXTS = [f"Text {number} of Ann in London" for number in range(20)]
TEXTS[5], TEXTS[13] = FAILS, ""


@pytest.fixture(scope="module")
def annotate(capitals_folder):
    return capitals(capitals_folder)


@pytest.fixture(scope="module")
def cluster():
    """Ray with two workers."""
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def session():
    """Spark with two workers, which may fail."""
    builder = sql.SparkSession.builder.master("local[2,4]").config("spark.ui.enabled", "false")
    session = builder.getOrCreate()
    yield session
    session.stop()


def simple(value):
    """RETURNS (Any): A value with lists, dicts and None in the place of what engines have."""
    if hasattr(value, "asDict"):
        value = value.asDict()
    if isinstance(value, dict):
        return {key: simple(part) for key, part in value.items()}
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list):
        return [simple(part) for part in value]
    return None if value is None or value != value else value


@pytest.mark.parametrize("batch_format", ["numpy", "pandas", "pyarrow"])
def test_ray_maps_batches(cluster, annotate, batch_format):
    rows = [{"id": number, "text": text} for number, text in enumerate(TEXTS)]
    data = ray_data.from_items(rows, override_num_blocks=3)
    found = data.map_batches(annotate, batch_size=4, batch_format=batch_format).take_all()
    found = simple(sorted(found, key=lambda row: row["id"]))
    assert len(found) == len(rows)
    for row, expected in zip(found, annotate(rows)):
        if batch_format == "pyarrow" and row["cats"] is not None:
            row["cats"] = dict(row["cats"])
        assert row == expected


def test_ray_keeps_actors_with_the_pipeline(cluster, annotate, capitals_folder):
    data = ray_data.from_items([{"text": text} for text in TEXTS], override_num_blocks=4)
    settings = {"code": annotate.code}
    found = data.map_batches(
        type(annotate),
        fn_constructor_args=(str(capitals_folder), "ents,cats"),
        fn_constructor_kwargs=settings,
        concurrency=2,
        batch_format="pyarrow",
    ).take_all()
    assert sorted(row["text"] for row in found) == sorted(TEXTS)


@pytest.mark.parametrize("how", ["mapInPandas", "mapInArrow"])
def test_spark_maps_frames(session, annotate, how):
    frame = session.createDataFrame(list(enumerate(TEXTS)), "id long, text string").repartition(3)
    schema = annotate.spark_schema(frame.schema)
    found = getattr(frame, how)(annotate, schema).orderBy("id").collect()
    expected = annotate([{"id": number, "text": text} for number, text in enumerate(TEXTS)])
    assert [simple(row) for row in found] == expected


def test_spark_has_it_as_a_function_of_a_column(session, annotate):
    from pyspark.sql.functions import pandas_udf

    function = pandas_udf(_typed(annotate), annotate.spark_schema())
    frame = session.createDataFrame(list(enumerate(TEXTS)), "id long, text string")
    found = frame.select("id", function("text").alias("found")).orderBy("id").collect()
    expected = annotate(TEXTS)
    assert [{"text": t, **simple(row)["found"]} for t, row in zip(TEXTS, found)] == expected


def _typed(annotate):
    def function(texts: pd.Series) -> pd.DataFrame:
        return annotate(texts)

    return function


@pytest.mark.parametrize("scheduler", ["threads", "processes"])
def test_dask_maps_partitions(annotate, scheduler):
    frame = pd.DataFrame({"id": range(len(TEXTS)), "text": TEXTS})
    data = dask.from_pandas(frame, npartitions=3)
    # an empty frame tells Dask which columns there will be
    mapped = data.map_partitions(annotate, meta=annotate(data._meta))
    found = mapped.compute(scheduler=scheduler, num_workers=2)
    assert [simple(row) for row in found.to_dict("records")] == [
        {"id": number, **row} for number, row in enumerate(annotate(TEXTS))
    ]


@pytest.mark.parametrize("engine", ["ray", "spark"])
def test_the_engines_of_the_command_give_the_same_files(
    engine, annotate, request, tmp_path, monkeypatch
):
    """In an engine that runs already, and a worker of it is killed."""
    request.getfixturevalue({"ray": "cluster", "spark": "session"}[engine])
    deaths = tmp_path / "deaths"
    deaths.write_text("0")
    source = write_rows(tmp_path / "texts.jsonl", [*TEXTS, f"{KILLS}{deaths}"])
    annotate_corpus(annotate, source, tmp_path / "one", shard_size=4)
    deaths.write_text("1")
    counts = annotate_corpus(
        annotate, source, tmp_path / engine, shard_size=4, engine=engine, workers=2
    )
    assert deaths.read_text() == "0"
    assert counts == (6, 21, 1, 0)
    assert contents(tmp_path / engine) == contents(tmp_path / "one")


@pytest.mark.parametrize("engine", ["ray", "spark"])
def test_errors_of_workers_arrive(engine, annotate, request, tmp_path):
    request.getfixturevalue({"ray": "cluster", "spark": "session"}[engine])
    source = write_rows(tmp_path / "texts.jsonl", TEXTS)
    wrong = type(annotate)(annotate.pipeline, "ents", text_column="body", code=annotate.code)
    with pytest.raises(ValueError, match="B503.*'body'.*id, text"):
        annotate_corpus(wrong, source, tmp_path / "out", engine=engine)
