"""Files as people have them: delimiters, quotes, encodings, headers, kinds, folders."""

import gzip
import json

import polars as pl
import pytest

from foretaste.data import BuildConfig, ColumnMap, Dataset, read_dataset, save_dataset
from foretaste.data.readers.text import sniff
from foretaste.errors import DataFileError, DataFormatError, DataInsufficientError, UnknownNameError

ROWS = [("ann", "tea", 5.0, 1_500_000_030), ("bob", "tea", 3.0, 1_500_000_010), ("ann", "jam", 1.0, 1_500_000_020)]
HEADER = ("user_id", "item_id", "rating", "timestamp")


def text(delimiter: str = ",", *, header: bool = True, end: str = "\n") -> str:
    rows = ([HEADER] if header else []) + ROWS
    return end.join(delimiter.join(map(str, row)) for row in rows) + end


def content(data: Dataset) -> list[tuple[str, str, float, float]]:
    events = data.interactions
    users, items = data.users.ids_of(events.user_rows), data.items.ids_of(events.item_rows)
    return list(zip(users, items, events.weights.tolist(), events.timestamps.tolist(), strict=True))


EXPECTED = [("ann", "jam", 1.0, 1.50000002e9), ("ann", "tea", 5.0, 1.50000003e9), ("bob", "tea", 3.0, 1.50000001e9)]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", "::"])
@pytest.mark.parametrize("header", [True, False])
def test_delimiters_and_headers_are_found_out(tmp_path, delimiter, header) -> None:
    path = tmp_path / "log.csv"
    path.write_text(text(delimiter, header=header))
    loaded = read_dataset(path)
    assert content(loaded.dataset) == EXPECTED
    assert loaded.dataset.is_explicit
    assert any("no_header" in warning for warning in loaded.report.warnings) == (not header)


@pytest.mark.parametrize(
    "raw",
    [
        text(end="\r\n").encode(),
        b"\xef\xbb\xbf" + text().encode(),
        text().encode("utf-16"),
        text().strip().encode(),
        b"\n" + text().encode() + b"\n\n",
    ],
    ids=["windows line ends", "byte order mark", "utf-16", "no last line end", "blank lines"],
)
def test_encodings_and_line_ends_do_not_matter(tmp_path, raw) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(raw)
    assert content(read_dataset(path).dataset) == EXPECTED


def test_gzipped_text_is_read(tmp_path) -> None:
    (tmp_path / "log.csv.gz").write_bytes(gzip.compress(text().encode()))
    assert content(read_dataset(tmp_path / "log.csv.gz").dataset) == EXPECTED
    lines = "\n".join(json.dumps(dict(zip(HEADER, row, strict=True))) for row in ROWS)
    (tmp_path / "log.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    assert content(read_dataset(tmp_path / "log.jsonl.gz").dataset) == EXPECTED


def test_parquet_is_read_with_only_the_columns_that_are_used(tmp_path) -> None:
    frame = pl.DataFrame(ROWS, schema=HEADER, orient="row").with_columns(colour=pl.lit("red"))
    frame.write_parquet(tmp_path / "log.parquet")
    loaded = read_dataset(tmp_path / "log.parquet")
    assert content(loaded.dataset) == EXPECTED
    assert loaded.report.interactions.unused_columns == ["colour"]


@pytest.mark.parametrize("shape", ["lines", "lines in .json", "array", "columns", "object"])
def test_json_is_read_in_all_its_shapes(tmp_path, shape) -> None:
    records = [dict(zip(HEADER, row, strict=True)) for row in ROWS]
    lines = "\n".join(json.dumps(record) for record in records)
    columns = {name: [record[name] for record in records] for name in HEADER}
    written = {
        "lines": ("log.jsonl", lines),
        "lines in .json": ("log.json", lines),
        "array": ("log.json", json.dumps(records, indent=1)),
        "columns": ("log.json", json.dumps(columns)),
        "object": ("log.json", json.dumps({"interactions": records, "users": [{"user_id": "bob", "age": 3}]})),
    }
    name, body = written[shape]
    (tmp_path / name).write_text(body)
    data = read_dataset(tmp_path / name).dataset
    assert sorted(content(data)) == EXPECTED
    assert (data.user_frame is not None) == (shape == "object")


def test_json_lines_with_bad_ones_among_them_lose_only_those(tmp_path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text(
        '{"user_id": 1, "item_id": "x", "rating": 4}\nnot json\n{"user_id": "b", "item_id": 7, "rating": NaN}\n'
        '[1, 2]\n{"user_id": "c", "item_id": 7, "rating": "bad"}\n'
    )
    loaded = read_dataset(path)
    assert loaded.report.interactions.read == 5
    counts = {name: reason.count for name, reason in loaded.report.interactions.dropped.items()}
    assert counts == {"line_is_no_JSON_object": 2, "value_is_missing_or_NaN": 1, "value_is_not_a_number": 1}
    assert loaded.dataset.users.ids.to_list() == ["1"]


def test_titles_keep_quotes_commas_and_line_ends(tmp_path) -> None:
    (tmp_path / "interactions.csv").write_text("user_id,item_id\na,1\na,2\na,3\n")
    (tmp_path / "items.csv").write_text(
        'item_id,title\n1,"American President, The"\n2,"He said ""no"""\n3,"two\nlines"\n'
    )
    assert read_dataset(tmp_path).dataset.titles() == ["American President, The", 'He said "no"', "two\nlines"]


def test_latin_1_text_is_read_with_a_warning(tmp_path) -> None:
    (tmp_path / "log.csv").write_bytes("user_id,item_id\nzoë,café\n".encode("latin-1"))
    loaded = read_dataset(tmp_path / "log.csv")
    assert loaded.dataset.items.ids.to_list() == ["café"]
    assert "file_is_not_UTF-8_and_was_read_as_latin-1" in loaded.report.warnings


def test_lines_with_too_many_fields_are_cut_and_counted(tmp_path) -> None:
    (tmp_path / "log.csv").write_text("user_id,item_id\na,x\nb,y,z,w\nc,x,1\nd\n")
    loaded = read_dataset(tmp_path / "log.csv")
    assert loaded.report.warnings["lines_with_too_many_fields_the_surplus_was_cut"].count == 2
    assert loaded.report.interactions.dropped["missing_item_id"].count == 1
    assert loaded.dataset.items.ids.to_list() == ["x", "y"]


def test_lines_in_another_delimiter_are_dropped_and_counted(tmp_path) -> None:
    (tmp_path / "log.csv").write_text("user_id,item_id\na,x\nb;y\nc,z\n")
    loaded = read_dataset(tmp_path / "log.csv")
    assert loaded.report.interactions.dropped["missing_item_id"].count == 1
    assert loaded.dataset.users.ids.to_list() == ["a", "c"]


def test_stray_quotes_are_taken_as_they_stand(tmp_path) -> None:
    (tmp_path / "interactions.csv").write_text("user_id,item_id\na,1\na,2\n")
    (tmp_path / "items.tsv").write_text('item_id\ttitle\n1\t"Weird" Al\n2\t12" mix\n')
    loaded = read_dataset(tmp_path)
    assert loaded.dataset.titles() == ['"Weird" Al', '12" mix']
    assert "quotes_do_not_match_and_were_taken_as_they_stand" in loaded.report.warnings


def test_columns_are_mapped_by_hand_also_without_a_header(tmp_path) -> None:
    (tmp_path / "log.csv").write_text("who,what,when\na,x,2020-01-01\n")
    mapped = ColumnMap(user="who", item="what", timestamp="when")
    assert read_dataset(tmp_path / "log.csv", columns=mapped).dataset.interactions.timestamps.tolist() == [1577836800.0]
    (tmp_path / "bare.csv").write_text("1577836800,x,a\n1577836801,y,a\n")
    bare = read_dataset(
        tmp_path / "bare.csv", columns=ColumnMap(user="column_3", item="column_2", timestamp="column_1")
    )
    assert bare.dataset.items.ids.to_list() == ["x", "y"]


def test_a_folder_is_told_apart_by_names_and_columns(tmp_path) -> None:
    (tmp_path / "products.csv").write_text("product_id,name,price,brand\nx,Ex,1.5,b1\ny,Why,2,b2\nz,Zed,3,b1\n")
    (tmp_path / "customers.jsonl").write_text('{"customer_id": "a", "age": 30}\n{"customer_id": "b", "age": 40}\n')
    (tmp_path / "events.csv").write_text("customer_id,product_id,event\na,x,view\nb,y,purchase\n")
    pl.DataFrame({"user_id": ["a"], "friend_id": ["b"]}).write_parquet(tmp_path / "friends.parquet")
    (tmp_path / "README.md").write_text("# hello")
    (tmp_path / "colours.csv").write_text("colour,shade\nred,dark\n")
    loaded = read_dataset(tmp_path)
    data = loaded.dataset
    assert (data.n_users, data.n_items, data.n_interactions) == (2, 3, 2)
    assert data.item_features == {"name": "text", "price": "numeric", "brand": "categorical"}
    assert data.user_features == {"age": "numeric"}
    assert data.links is not None
    assert data.titles() == ["Ex", "Why", "Zed"]
    assert loaded.report.warnings["files_not_used"].examples == ["'README.md'"]
    assert loaded.report.warnings["tables_with_neither_users_nor_items_not_used"].examples == ["'colours.csv'"]


def test_several_files_and_parts_of_tables_are_read_together(tmp_path) -> None:
    (tmp_path / "a.csv").write_text("user_id,item_id\na,x\n")
    (tmp_path / "b.csv").write_text("user_id,item_id\nb,x\n")
    (tmp_path / "c.csv").write_text("item_id,title\nx,Ex\n")
    data = read_dataset([tmp_path / "a.csv", tmp_path / "b.csv", str(tmp_path / "c.csv")]).dataset
    assert (data.users.ids.to_list(), data.titles()) == (["a", "b"], ["Ex"])
    parts = tmp_path / "shop" / "interactions"
    parts.mkdir(parents=True)
    for number in range(3):
        pl.DataFrame({"user_id": [number], "item_id": [1]}).write_parquet(parts / f"part-{number}.parquet")
    assert read_dataset(tmp_path / "shop").dataset.n_users == 3


def test_settings_and_name_reach_the_data_set(tmp_path) -> None:
    (tmp_path / "log.csv").write_text(text())
    loaded = read_dataset(tmp_path / "log.csv", config=BuildConfig(positive_rating=3), name="mine")
    assert loaded.dataset.interactions.weights.tolist() == [0.0, 5.0, 3.0]
    assert loaded.dataset.name == loaded.report.name == "mine"


def test_large_text_streams_in_batches_to_the_same_data_set(tmp_path, monkeypatch) -> None:
    path = tmp_path / "log.csv"
    path.write_text("user_id,item_id,rating\n" + "".join(f"u{i % 97},i{i % 89},{i % 5 + 1}\n" for i in range(5000)))
    eager = read_dataset(path).dataset
    monkeypatch.setattr("foretaste.data.readers.text._EAGER_BYTES", 0)
    monkeypatch.setattr("foretaste.data.readers.text._BATCH_ROWS", 700)
    streamed = read_dataset(path).dataset
    assert content(streamed)[:50] == [
        (u, i, w, t) if t == t else (u, i, w, pytest.approx(t, nan_ok=True)) for u, i, w, t in content(eager)[:50]
    ]
    assert (streamed.users, streamed.items) == (eager.users, eager.items)


# --- what cannot be read ---------------------------------------------------------------------------------------------


def test_a_missing_file_is_named(tmp_path) -> None:
    with pytest.raises(DataFileError, match=r"there is no file or folder .*nothing.csv"):
        read_dataset(tmp_path / "nothing.csv")
    with pytest.raises(DataFileError, match="no file was given"):
        read_dataset([])
    with pytest.raises(DataFileError, match="is a folder"):
        read_dataset([tmp_path, tmp_path])


def test_a_folder_without_data_says_what_it_holds(tmp_path) -> None:
    (tmp_path / "README.md").write_text("hello")
    with pytest.raises(DataFileError, match=r"no data in a known format \(README.md\)"):
        read_dataset(tmp_path)


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.json"])
@pytest.mark.parametrize("body", [b"", b" \n\n"])
def test_an_empty_file_is_told(tmp_path, name, body) -> None:
    (tmp_path / name).write_bytes(body)
    with pytest.raises(DataInsufficientError, match="is empty"):
        read_dataset(tmp_path / name)


def test_a_header_without_rows_is_told(tmp_path) -> None:
    (tmp_path / "a.csv").write_text("user_id,item_id\n")
    with pytest.raises(DataInsufficientError, match="no row was given"):
        read_dataset(tmp_path / "a.csv")


@pytest.mark.parametrize("name", ["a.csv", "a.parquet", "a.jsonl", "a.txt"])
def test_binary_garbage_is_told(tmp_path, name) -> None:
    (tmp_path / name).write_bytes(bytes(range(256)) * 20)
    with pytest.raises(DataFileError, match=r"binary|not a readable Parquet"):
        read_dataset(tmp_path / name)


def test_workbooks_truncated_gzip_and_misnamed_parquet_get_a_hint(tmp_path) -> None:
    (tmp_path / "a.xlsx").write_bytes(b"PK\x03\x04" + b"x" * 100)
    with pytest.raises(DataFileError, match="save the table as CSV"):
        read_dataset(tmp_path / "a.xlsx")
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(text().encode() * 50)[:-20])
    with pytest.raises(DataFileError, match="cannot be read"):
        read_dataset(tmp_path / "b.csv.gz")
    pl.DataFrame({"user_id": [1], "item_id": [2]}).write_parquet(tmp_path / "c.csv")
    with pytest.raises(DataFileError, match=r"name it with the ending \.parquet"):
        read_dataset(tmp_path / "c.csv")


def test_a_damaged_parquet_file_is_told(tmp_path) -> None:
    path = tmp_path / "a.parquet"
    pl.DataFrame({"user_id": [str(i) for i in range(5000)], "item_id": ["x"] * 5000}).write_parquet(path)
    raw = bytearray(path.read_bytes())
    raw[4:400] = b"\xff" * 396
    path.write_bytes(bytes(raw))
    with pytest.raises(DataFileError, match=r"damaged|not a readable Parquet"):
        read_dataset(path)


def test_wrong_columns_list_those_found(tmp_path) -> None:
    (tmp_path / "a.csv").write_text("colour,size\nred,1\n")
    with pytest.raises(DataFormatError, match="columns found: colour, size"):
        read_dataset(tmp_path / "a.csv")


@pytest.mark.parametrize("body", ["{", '"text"', "5", '{"a": {"b": 1}}', "[1, 2]"])
def test_json_that_is_no_table_is_told(tmp_path, body) -> None:
    (tmp_path / "a.json").write_text(body)
    with pytest.raises((DataFileError, DataFormatError), match=r"JSON|not a dict|table"):
        read_dataset(tmp_path / "a.json")


def test_a_million_character_id_in_a_file_is_dropped(tmp_path) -> None:
    (tmp_path / "a.csv").write_text("user_id,item_id\n" + "u" * 1_000_000 + ",x\nann,x\n")
    loaded = read_dataset(tmp_path / "a.csv")
    assert loaded.dataset.users.ids.to_list() == ["ann"]
    assert loaded.report.interactions.dropped["user_id_too_long"].count == 1


def test_unknown_kinds_list_the_known_ones(tmp_path) -> None:
    (tmp_path / "a.csv").write_text(text())
    with pytest.raises(UnknownNameError, match=r"valid: auto, .*lightgcn"):
        read_dataset(tmp_path / "a.csv", kind="lightgnc")


def test_settings_do_not_apply_to_a_saved_data_set_and_it_is_said(tmp_path) -> None:
    (tmp_path / "a.csv").write_text(text())
    save_dataset(read_dataset(tmp_path / "a.csv").dataset, tmp_path / "saved")
    loaded = read_dataset(tmp_path / "saved", config=BuildConfig(min_user_interactions=9))
    assert loaded.dataset.n_interactions == 3
    assert any("saved" in warning for warning in loaded.report.warnings)


def test_the_form_of_a_table_is_sniffed_despite_quotes(tmp_path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('id;title\n1;"a; b, c, d"\n2;"e, f"\n3;"g, h"\n')
    form = sniff(path)
    assert (form.delimiter, form.columns, form.has_header) == (";", ("id", "title"), True)
