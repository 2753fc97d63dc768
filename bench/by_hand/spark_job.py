"""The interaction job as an expert writes it by hand for Spark: `python spark_job.py LOGS OUT`."""

import sys

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

LOGS, OUT = sys.argv[1], sys.argv[2]
TYPES = {
    "Truyen Hinh": ["CHANNEL", "DSHD", "KPLUS", "KPlus"],
    "Phim Truyen": ["VOD", "FIMS_RES", "BHD_RES", "VOD_RES", "FIMS", "BHD", "DANET"],
    "Giai Tri": ["RELAX"],
    "Thieu Nhi": ["CHILD"],
    "The Thao": ["SPORT"],
}

spark = (
    SparkSession.builder.master("local[2]")
    .config("spark.ui.enabled", "false")
    .config("spark.driver.memory", "2g")
    .config("spark.sql.shuffle.partitions", "4")
    .getOrCreate()
)
views = (
    spark.read.schema("_source struct<Contract string, TotalDuration bigint, AppName string>")
    .json(LOGS)
    .select("_source.*", F.regexp_extract(F.input_file_name(), r"(\d{8})\.json", 1).alias("day"))
    .where("Contract <> '0'")
)
kind = F.lit(None).cast("string")
for label, codes in TYPES.items():
    kind = F.when(F.col("AppName").isin(codes), label).otherwise(kind)
typed = views.withColumn("Type", kind).where("Type is not null")


def total(label: str):
    name = f"Total_{label.replace(' ', '_')}"
    return F.coalesce(F.sum(F.when(F.col("Type") == label, F.col("TotalDuration"))), F.lit(0)).alias(name)


labels = sorted(TYPES)
days = F.count_distinct("day").alias("Active"), F.min("day").alias("some_day")
totals = typed.groupBy("Contract").agg(*(total(label) for label in labels), *days)
column = {label: F.col(f"Total_{label.replace(' ', '_')}") for label in labels}
most = F.greatest(*column.values())
best = F.lit(None).cast("string")
for label in reversed(list(TYPES)):
    best = F.when(column[label] == most, label).otherwise(best)
taste = F.concat_ws("-", *(F.when(column[label] > 0, label) for label in labels))
level = F.when(F.col("Active") > 20, "High").when(F.col("Active") >= 10, "Medium").otherwise("Low")
result = totals.withColumn("Most_watched", best).withColumn("Taste", taste).withColumn("Level_Activeness", level)
length = F.dayofmonth(F.last_day(F.to_date("some_day", "yyyyMMdd")))
result = result.withColumn("Days_in_month", length).drop("some_day")
result.write.mode("overwrite").parquet(OUT)
spark.stop()
