"""The file forms of well-known data sets, on small files written here."""

import json

import pytest

from foretaste.data import BuildConfig, read_dataset, read_split
from foretaste.errors import ConfigurationError, DataFileError, DataFormatError, UnsupportedError


def write(folder, **files) -> None:
    for name, body in files.items():
        (folder / name.replace("__", ".")).write_bytes(body if isinstance(body, bytes) else body.encode())


def movielens_100k(folder) -> None:
    flags = "|".join(["0", "1", "0"])
    write(
        folder,
        u__data="1\t2\t5\t100\n2\t1\t3\t200\n",
        u__item=f"1|Café Noir (1994)|01-Jan-1995||http://a|{flags}\n2|Plain|||http://b|0|0|1\n".encode("latin-1"),
        u__genre="unknown|0\nAction|1\nDrama|2\n\n",
        u__user="1|24|M|technician|85711\n2|53|F|other|94043\n3|9|F|none|00000\n",
        u1__base="1\t2\t5\t100\n",
        u1__test="2\t1\t3\t200\n",
    )


def test_movielens_100k_keeps_titles_genres_and_people(tmp_path) -> None:
    movielens_100k(tmp_path)
    loaded = read_dataset(tmp_path)
    data = loaded.dataset
    assert loaded.report.format == "movielens_100k"
    assert data.titles() == ["Café Noir (1994)", "Plain"]
    assert data.item_frame is not None
    assert data.item_frame["genres"].to_list() == [["Action"], ["Drama"]]
    assert data.item_frame["year"].to_list() == [1994, None]
    assert data.users.ids.to_list() == ["1", "2", "3"]
    assert data.user_features["zip_code"] == "categorical"
    assert data.is_explicit


def test_movielens_100k_folds_share_their_vocabularies(tmp_path) -> None:
    movielens_100k(tmp_path)
    train, test = read_split(tmp_path, fold=1)
    assert (train.n_interactions, test.n_interactions) == (1, 1)
    assert train.users is test.users
    assert train.items is test.items
    assert train.users.ids_of(test.interactions.user_rows) == ["2"]
    assert train.titles() == test.titles() == ["Café Noir (1994)", "Plain"]
    with pytest.raises(ConfigurationError, match="fold 9 is not there"):
        read_split(tmp_path, fold=9)


def test_movielens_1m_reads_double_colons(tmp_path) -> None:
    write(
        tmp_path,
        ratings__dat="1::10::5::978300760\n2::10::4::978300761\n",
        movies__dat="10::Léon: The Professional (1994)::Action|Drama\n".encode("latin-1"),
        users__dat="1::F::1::10::48067\n2::M::56::16::70072\n",
    )
    loaded = read_dataset(tmp_path)
    assert loaded.report.format == "movielens_1m"
    assert loaded.dataset.titles() == ["Léon: The Professional (1994)"]
    assert loaded.dataset.interactions.timestamps.tolist() == [978300760.0, 978300761.0]
    assert loaded.dataset.item_frame["genres"].to_list() == [["Action", "Drama"]]


def test_movielens_in_folds_tests_on_the_fold_asked_for(tmp_path) -> None:
    write(
        tmp_path,
        fold1__dat="1,10,5\n",
        fold2__dat="1,11,4\n2,10,3\n",
        items__dat="10\tHeat (1995)\tCrime|Drama\n11\tAlien (1979)\t(no genres listed)\n",
        users__dat="1\tF\t1\t10\t48067\n2\tM\t25\t4\t10001\n",
    )
    assert read_dataset(tmp_path).dataset.n_interactions == 3
    train, test = read_split(tmp_path, fold=2)
    assert (train.n_interactions, test.n_interactions) == (1, 2)
    assert train.item_frame["genres"].to_list() == [["Crime", "Drama"], []]
    assert train.item_frame["year"].to_list() == [1995, 1979]


def test_movielens_csv_takes_frequent_tags_as_a_list(tmp_path) -> None:
    write(
        tmp_path,
        ratings__csv="userId,movieId,rating,timestamp\n1,10,4.5,964982703\n",
        movies__csv='movieId,title,genres\n10,"American President, The (1995)",Comedy|Drama\n11,Heat (1995),Crime\n',
        tags__csv="userId,movieId,tag,timestamp\n1,10,politics,1\n2,10,Politics ,2\n3,10,romance,3\n4,99,lost,4\n",
        links__csv="movieId,imdbId,tmdbId\n10,1,2\n",
    )
    loaded = read_dataset(tmp_path)
    assert loaded.report.format == "movielens_csv"
    assert loaded.dataset.titles() == ["American President, The (1995)", "Heat (1995)"]
    assert loaded.dataset.item_frame["tags"].to_list() == [["politics", "romance"], None]
    assert loaded.dataset.n_items == 2


def test_lightgcn_lines_are_train_and_test(tmp_path) -> None:
    write(tmp_path, train__txt="0 5 6 7\n1 5\n2 \n", test__txt="0 8\n1 9 6\n")
    train, test = read_split(tmp_path)
    assert (train.n_interactions, test.n_interactions) == (4, 3)
    assert train.items.ids.to_list() == ["5", "6", "7", "8", "9"]
    assert train.matrix().shape == test.matrix().shape == (2, 5)
    assert read_dataset(tmp_path).dataset.n_interactions == 7


def test_minimum_counts_apply_to_train_only(tmp_path) -> None:
    write(tmp_path, train__txt="0 5 6 7\n1 5\n", test__txt="0 8\n1 9 6\n")
    train, test = read_split(tmp_path, config=BuildConfig(min_user_interactions=2))
    assert train.users.ids_of(train.interactions.user_rows) == ["0", "0", "0"]
    assert test.n_interactions == 3
    assert train.n_users == 2


def test_trust_links_come_with_their_split(tmp_path) -> None:
    write(tmp_path, data1__txt="1\t10\t3\n2\t11\t1\n", test1__txt="1\t11\t2\n", trustnetwork__txt="1\t2\n2\t3\n")
    train, test = read_split(tmp_path)
    assert train.interactions.weights.tolist() == [3.0, 1.0]
    assert test.n_interactions == 1
    assert train.links is not None
    assert train.users.ids_of(train.links[1]) == ["2", "3"]


def test_atomic_files_keep_types_and_titles(tmp_path) -> None:
    write(
        tmp_path,
        x__inter="user_id:token\tsong:token\trating:float\ttimestamp:float\na\ts1\t4\t100\nb\ts2\t2\t200\n",
        x__item="song:token\tname:token_seq\tstyle:token_seq\tvector:float_seq\ns1\tGrey Day\tpop rock\t0.1 0.2\n",
        x__user="user_id:token\tage:float\na\t30\n",
        x__net="source_id:token\ttarget_id:token\na\tb\n",
    )
    loaded = read_dataset(tmp_path)
    data = loaded.dataset
    assert loaded.report.format == "recbole"
    assert data.titles() == ["Grey Day", "s2"]
    assert data.item_features == {"name": "text", "style": "list"}
    assert data.item_frame["vector"].to_list()[0] == [0.1, 0.2]
    assert data.user_frame["age"].to_list() == [30.0, None]
    assert data.links is not None
    assert data.is_explicit
    alone = read_dataset(tmp_path / "x.inter").dataset
    assert alone.titles() == ["Grey Day", "s2"]


def test_atomic_benchmark_files_give_a_split(tmp_path) -> None:
    head = "user_id:token\titem_id:token\n"
    write(tmp_path, x__train__inter=f"{head}a\tx\n", x__valid__inter=f"{head}a\ty\n", x__test__inter=f"{head}a\tz\n")
    train, test = read_split(tmp_path)
    assert train.items.ids_of(train.interactions.item_rows) == ["x", "y"]
    assert test.items.ids_of(test.interactions.item_rows) == ["z"]


def test_atomic_files_without_types_are_refused(tmp_path) -> None:
    write(tmp_path, x__inter="user_id\titem_id\na\tx\n")
    with pytest.raises(DataFormatError, match="has no type"):
        read_dataset(tmp_path)


def test_sequences_keep_their_order_and_attributes(tmp_path) -> None:
    write(tmp_path, Beauty__txt="1 5 3 9\n2 3\n", Beauty_item2attributes__json=json.dumps({"5": [1, 2], "3": [2]}))
    data = read_dataset(tmp_path).dataset
    first = data.histories.item_rows[data.histories.slice(data.users.row("1"))]
    assert data.items.ids_of(first) == ["5", "3", "9"]
    assert data.item_frame["attributes"].to_list() == [["1", "2"], ["2"], None]
    assert data.item_features == {"attributes": "list"}


def test_session_lines_become_users_of_their_own(tmp_path) -> None:
    write(tmp_path, train__jsonl="[1,2,1]\n[3]\noops\n[[1]]\n", test__jsonl="[[1,2],3]\n[[2],1]\n")
    loaded = read_dataset(tmp_path)
    data = loaded.dataset
    assert loaded.report.interactions.dropped["line_is_no_list_of_items"].count == 2
    assert data.items.ids_of(data.histories.item_rows[data.histories.slice(0)]) == ["1", "2", "1"]
    train, test = read_split(tmp_path)
    history = test.histories.item_rows[test.histories.slice(test.users.row("test-1"))]
    assert test.items.ids_of(history) == ["1", "2", "3"]
    assert train.n_interactions == 4


def test_a_folder_without_a_split_says_so(tmp_path) -> None:
    write(tmp_path, interactions__csv="user_id,item_id\na,x\n")
    with pytest.raises(UnsupportedError, match="comes with no split"):
        read_split(tmp_path)
    with pytest.raises(UnsupportedError, match="has no split of its own"):
        read_split(tmp_path, kind="tables")


def test_a_format_named_outright_needs_its_files(tmp_path) -> None:
    write(tmp_path, interactions__csv="user_id,item_id\na,x\n")
    with pytest.raises(DataFileError, match=r"has no file 'u.data'"):
        read_dataset(tmp_path, kind="movielens_100k")
