"""A small shop in etlrun and in dbt with DuckDB: the same rows from the same CSV files, timed side by side as whole processes.

    python bench/shop_and_dbt.py --dbt VENV/bin/dbt [--orders 99] [--rounds 3]

dbt-duckdb is installed by hand, in an environment of its own. Both read three files, clean them, and make a table of orders with what was
paid by each method and one of customers with their first, last and number of orders; both test keys, nulls, a list and references.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from pathlib import Path

import duckdb

from check_speed import CHECK, measure, print_table, with_bytecode

METHODS = ("credit_card", "coupon", "bank_transfer", "gift_card")
STATES = ("placed", "shipped", "completed", "return_pending", "returned")

ETLRUN = {
    "etlrun.yaml": "profiles: {dev: {engine: {duckdb: {}}, connections: {shop: {duckdb: shop.duckdb}}}}\n",
    "pipelines/orders.yaml": """\
pipeline: orders
sources:
  raw_orders: {csv: {path: seeds/raw_orders.csv, columns: {id: int not null, user_id: int, order_date: date, status: string}}}
  raw_payments: {csv: {path: seeds/raw_payments.csv, columns: {id: int not null, order_id: int, payment_method: string, amount: bigint}}}
steps:
  payments:
    - from: raw_payments
    - derive: {paid: amount div 100}
  paid:
    - from: payments
    - aggregate:
        by: [order_id]
        columns: {amount: sum(paid)}
        pivot: {column: payment_method, labels: [credit_card, coupon, bank_transfer, gift_card], value: sum(paid), name: "{label}_amount", fill: 0}
  orders:
    - from: raw_orders
    - rename: {id: order_id, user_id: customer_id}
    - join: {with: paid, on: order_id, how: left}
checks:
  payments:
    - unique: id
    - accepted: {payment_method: [credit_card, coupon, bank_transfer, gift_card]}
  orders:
    - unique: order_id
    - not_null: [customer_id, amount, credit_card_amount, coupon_amount, bank_transfer_amount, gift_card_amount]
    - accepted: {status: [placed, shipped, completed, return_pending, returned]}
sinks:
  orders: {table: {from: orders, connection: shop, key: [order_id], write: replace}}
""",
    "pipelines/customers.yaml": """\
pipeline: customers
sources:
  raw_customers: {csv: {path: seeds/raw_customers.csv, columns: {id: int not null, first_name: string, last_name: string}}}
  orders: {table: {pipeline: orders}}
steps:
  per_customer:
    - from: orders
    - aggregate:
        by: [customer_id]
        columns: {first_order: min(order_date), most_recent_order: max(order_date), number_of_orders: count(*), total_amount: sum(amount)}
  customers:
    - from: raw_customers
    - rename: {id: customer_id}
    - join: {with: per_customer, on: customer_id, how: left}
checks:
  customers:
    - unique: customer_id
  orders:
    - relationships: {on: {customer_id: id}, to: raw_customers}
sinks:
  customers: {table: {from: customers, connection: shop, key: [customer_id], write: replace}}
""",
}
PAID = ", ".join(f"sum(case when payment_method = '{one}' then amount else 0 end) as {one}_amount" for one in METHODS)
DBT = {
    "dbt_project.yml": "name: shop\nversion: '1.0.0'\nprofile: shop\nmodels: {shop: {+materialized: table, staging: {+materialized: view}}}\n",
    "profiles.yml": "shop: {target: dev, outputs: {dev: {type: duckdb, path: dbt.duckdb, threads: 2}}}\n",
    "models/staging/stg_customers.sql": "select id as customer_id, first_name, last_name from {{ ref('raw_customers') }}\n",
    "models/staging/stg_orders.sql": "select id as order_id, user_id as customer_id, order_date, status from {{ ref('raw_orders') }}\n",
    "models/staging/stg_payments.sql": "select id as payment_id, order_id, payment_method, amount // 100 as amount from {{ ref('raw_payments') }}\n",
    "models/orders.sql": f"""\
with paid as (select order_id, sum(amount) as amount, {PAID} from {{{{ ref('stg_payments') }}}} group by order_id)
select o.*, paid.* exclude (order_id) from {{{{ ref('stg_orders') }}}} o left join paid using (order_id)
""",
    "models/customers.sql": """\
with per_customer as (
  select customer_id, min(order_date) as first_order, max(order_date) as most_recent_order, count(*) as number_of_orders, sum(amount) as total_amount
  from {{ ref('orders') }} group by customer_id
)
select c.*, p.* exclude (customer_id) from {{ ref('stg_customers') }} c left join per_customer p using (customer_id)
""",
    "models/schema.yml": """\
models:
  - name: stg_payments
    columns:
      - {name: payment_id, tests: [unique, not_null]}
      - {name: payment_method, tests: [{accepted_values: {values: [credit_card, coupon, bank_transfer, gift_card]}}]}
  - name: orders
    columns:
      - {name: order_id, tests: [unique, not_null]}
      - {name: customer_id, tests: [not_null, {relationships: {to: ref('stg_customers'), field: customer_id}}]}
      - {name: status, tests: [{accepted_values: {values: [placed, shipped, completed, return_pending, returned]}}]}
      - {name: amount, tests: [not_null]}
      - {name: credit_card_amount, tests: [not_null]}
      - {name: coupon_amount, tests: [not_null]}
      - {name: bank_transfer_amount, tests: [not_null]}
      - {name: gift_card_amount, tests: [not_null]}
  - name: customers
    columns:
      - {name: customer_id, tests: [unique, not_null]}
""",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dbt", required=True, help="the command `dbt` of an environment with dbt-duckdb")
    parser.add_argument("--orders", type=int, default=99)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name, text in {**ETLRUN, **DBT}.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text, encoding="utf-8")
        write_files(root / "seeds", options.orders)
        dbt = "import subprocess, sys; sys.exit(subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode)"
        commands = {
            "`etlrun run --full`": (["-c", CHECK, "run", "--full", "-q"], root),
            "`dbt build`": (["-c", dbt, str(Path(options.dbt).absolute()), "build", "--profiles-dir", "."], root),
        }
        print_table(measure(commands, options.rounds, with_bytecode(root)))
        print("\n" + ("the rows are equal" if same_rows(root) else "THE ROWS DIFFER"))


def write_files(folder: Path, orders: int) -> None:
    """Three files as a shop has them: as many customers as orders, and a few more payments; amounts in cents."""
    chance, customers = random.Random(7), max(1, orders)
    folder.mkdir()
    people = "".join(f"{n},First{n % 97},L{n % 89}.\n" for n in range(1, customers + 1))
    (folder / "raw_customers.csv").write_text(f"id,first_name,last_name\n{people}")
    bought, paid = [], []
    for n in range(1, orders + 1):
        bought.append(
            f"{n},{chance.randint(1, customers)},2018-0{chance.randint(1, 9)}-{chance.randint(10, 28)},{chance.choice(STATES)}\n"
        )
        paid += [f"{n},{chance.choice(METHODS)},{chance.randint(0, 30)}00\n" for _ in range(1 + (n % 7 == 0))]
    (folder / "raw_orders.csv").write_text("id,user_id,order_date,status\n" + "".join(bought))
    lines = "".join(f"{number},{line}" for number, line in enumerate(paid, 1))
    (folder / "raw_payments.csv").write_text(f"id,order_id,payment_method,amount\n{lines}")


def same_rows(root: Path) -> bool:
    found = []
    for database in ("shop.duckdb", "dbt.duckdb"):
        with duckdb.connect(str(root / database), read_only=True) as connection:
            found.append(
                [
                    connection.execute(f"select {columns} from {table} order by all").fetchall()
                    for table, columns in (
                        (
                            "orders",
                            f"order_id, customer_id, order_date, status, amount, {', '.join(f'{one}_amount' for one in METHODS)}",
                        ),
                        (
                            "customers",
                            "customer_id, first_name, last_name, first_order, most_recent_order, number_of_orders, total_amount",
                        ),
                    )
                ]
            )
    return found[0] == found[1]


if __name__ == "__main__":
    main()
