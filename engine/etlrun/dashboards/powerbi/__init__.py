"""Power BI: `etlrun dashboard build --to powerbi` writes a project (PBIP) that Power BI Desktop opens.

The folder `NAME-powerbi` holds a report (PBIR) and a semantic model (TMDL) as text, the same for the same dashboard. It is generated:
change the dashboard, not the project. A build refuses to replace files that it did not write, unless it is given `--force`; what
Desktop keeps in `.pbi/` stays.

* **Rows**: from the MySQL or MariaDB server of the sink's connection, or from a Parquet file that a `files` sink of the same relation
  writes; a table on DuckDB or PostgreSQL needs such a sink. MySQL's Connector/NET 6.6.5 or later must be on the desktop and on the
  gateway. Power BI asks for the account, which is never part of the project. Rows are imported; Desktop's Refresh reads them anew.
* **Numbers**: each measure has the null rules above. `days($month)` is the number of days when the project was built: build it again for
  another month, or divide by a column. Texts that are as large are ordered by Power BI's collation, and where several bars share the last place
  of `top` it shows all of them.
* **Cards**: the strip of a run's quality is left out. The table shows all rows; rows that look alike become one where the key is not shown.
  What it is ordered by is its last column. A page has at most six rows of cards.

Tests hold the projects against Microsoft's validator, and the DAX against SQL by an evaluator of the functions used. No project has been
opened in Power BI Desktop, and no DAX engine has run the measures: tell us what you see.

`--to ossie` writes the table and its measures as an [Apache Ossie](https://github.com/apache/ossie) semantic model, in SQL and DAX. It is
experimental: the format is a draft. Metabase, Superset and Lightdash read the table itself.
"""
