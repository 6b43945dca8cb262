import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from foretaste.storage.records import open_records
from foretaste.testing.records.stamps import OPERATIONS, USERS, StampWatch, walk

steps = st.tuples(st.sampled_from(OPERATIONS), st.sampled_from(USERS), st.sampled_from(USERS))


@settings(max_examples=25, deadline=None)
@given(st.lists(steps, max_size=20))
def test_no_order_of_changes_ever_lets_an_old_stamp_look_current_again(changes):
    async def live():
        async with open_records("sqlite://") as store:
            watch = StampWatch(store)
            for number, (operation, one, other) in enumerate(changes):
                await walk(store, operation, number, one, other)
                await watch.look()

    asyncio.run(live())
