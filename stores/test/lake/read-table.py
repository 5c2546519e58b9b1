"""Reads a lake table with programs made by others and prints what they see as one JSON object.

Usage: read-table.py TABLE_FOLDER APP_IDS_JSON FILES_JSON
"""

import json
import sys

import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import DeltaTable


def text_of(value):
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return value.hex().upper()
    if hasattr(value, "tzinfo"):
        return value.strftime("%Y-%m-%d %H:%M:%S.%f")
    return str(value)


def rows_of(table):
    rows = table.sort_by("_offset").to_pylist()
    return [{name: text_of(value) for name, value in row.items()} for row in rows]


def columns_with_wrong_bounds(delta):
    """Filters by one value at a time: files are skipped by statistics, which must not lose its rows."""
    dataset = delta.to_pyarrow_dataset()
    whole = dataset.to_table()
    wrong = []
    for name in ["_offset", "tiny", "double", "text", "day", "at", "price", "dt"]:
        values = sorted({value for value in whole[name].to_pylist() if value is not None})
        for value in [values[0], values[len(values) // 2], values[-1]]:
            found = dataset.to_table(filter=ds.field(name) == pa.scalar(value, whole[name].type))
            if found.num_rows != whole[name].to_pylist().count(value):
                wrong.append(f"{name}={value}")
    return wrong


def main(folder, app_ids, files):
    delta = DeltaTable(folder)
    dt = ds.partitioning(pa.schema([("dt", pa.string())]), flavor="hive")
    paths = [f"{folder}/{file}" for file in files]
    dataset = ds.dataset(paths, format="parquet", partitioning=dt, partition_base_dir=folder)
    print(
        json.dumps(
            {
                "version": delta.version(),
                "offsets": [delta.transaction_version(app_id) for app_id in app_ids],
                "fileCount": len(delta.file_uris()),
                "rowsByLog": sum(pa.table(delta.get_add_actions())["num_records"].to_pylist()),
                "wrongBounds": columns_with_wrong_bounds(delta),
                "deltalake": rows_of(delta.to_pyarrow_table()),
                "pyarrow": rows_of(dataset.to_table()),
            }
        )
    )


main(sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3]))
