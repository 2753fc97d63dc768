"""Power BI: `etlrun dashboard build --to powerbi` writes a project (PBIP) that Power BI Desktop opens.

The folder `NAME-powerbi` contains a report (PBIR) and a semantic model (TMDL) as text files. The same dashboard always
gives the same files. Change the dashboard, not the project: a build does not replace files that it did not write,
except with `--force`. The files of Desktop in `.pbi/` stay.

* **Rows** come from the MySQL or MariaDB server of the sink, or from a Parquet file that a `files` sink of the same
  relation writes. A table in DuckDB or PostgreSQL needs such a `files` sink. For MySQL, install Connector/NET 6.6.5 or
  later on the desktop and the gateway. Power BI asks for the user and password; they are never part of the project.
  Rows are imported, and Refresh in Desktop reads them again.
* **Numbers**: measures follow the rules for nulls above. `days($month)` is the number of days of the month at the time
  of the build: build again for another month, or divide by a column. Texts with the same value are sorted by the
  collation of Power BI. If several bars tie for the last place of `top`, Power BI shows all of them.
* **Cards**: the `quality` card is left out. The table shows all rows; identical rows become one if the key is not
  shown. The sort column is its last column. A page has at most six rows of cards.

The tests check the projects with Microsoft's validator, and compare the DAX with SQL in an evaluator for the functions
that are used. No project was opened in Power BI Desktop, and no DAX engine has run the measures: please report what you
see.

`--to ossie` writes the table and its measures as an [Apache Ossie](https://github.com/apache/ossie) semantic model, in
SQL and DAX. It is experimental, because the format is a draft. Metabase, Superset and Lightdash can read the published
table directly.
"""
