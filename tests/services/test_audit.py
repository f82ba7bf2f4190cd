import time
from sqlalchemy import text
async def test_x(database):
    async with database.write("x") as tx, tx.as_platform() as s:
        print((await s.execute(text("select * from platform.mall"))).all())
def test_y(logins): pass
def test_z(empty_logins): pass
