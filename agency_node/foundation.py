"""What every part of a node stands on: keys, store, ledger, policy, people, the channel to the gateway."""

import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine

from agency_node.following import Following, begin_following
from agency_node.keychain import NodeKeychain, load_keychain
from agency_node.settings import NodeSettings
from agency_node.users import UsersFile
from agency_node.vault import Vault
from federation.actor import Actor
from federation.directory import Agency, TrustedDirectory
from federation.keyfiles import read_verify_key, write_public
from federation.ledger.export import KEY_FILE
from federation.ledger.journal import Journal
from federation.ledger.kept import KeptCheckpoint
from federation.policy.setup import OpenPolicy, PolicyChoice, open_policy
from federation.renewal import Renewal
from federation.store import migrate, open_engine
from federation.transport.certificates import KeyringCertificates
from federation.transport.channel import RotatingChannel
from keys.keyring import Keyring


@dataclass(slots=True)
class Foundation:
    """What every part of a node stands on."""

    settings: NodeSettings
    keyring: Keyring
    keychain: NodeKeychain
    engine: AsyncEngine
    journal: Journal
    executor: ThreadPoolExecutor
    policy: OpenPolicy
    vault: Vault
    users: UsersFile
    channel: RotatingChannel
    renewal: Renewal
    following: Following
    clock: Callable[[], float]

    def directory(self) -> TrustedDirectory:
        """The members that directory and register both show."""
        return self.following.members.directory()

    def own_agency(self) -> Agency:
        """This agency as directory and register show it."""
        return self.following.members.directory().agency(self.settings.agency)

    @property
    def is_enrolled(self) -> bool:
        """Whether directory and register show this agency."""
        return self.settings.agency in self.following.members.directory().agencies

    async def refresh(self) -> None:
        """Fetch a newer directory, if there is one."""
        await self.following.gateway.refresh()


@asynccontextmanager
async def lay_foundation(
    settings: NodeSettings, *, clock: Callable[[], float] = time.time
) -> AsyncIterator[Foundation]:
    """Open keys, store, ledger, policy and the channel to the gateway; close them at the end of the block.

    Raises:
        WardgateError: `SETTINGS_INVALID`, `KEYRING_REJECTED`, `STORE_UNAVAILABLE`, `BUNDLE_REJECTED`, ...
    """
    async with AsyncExitStack() as stack:
        keyring = Keyring(settings.keys_dir)
        keychain = load_keychain(keyring)
        await migrate(settings.store_url, "agency_node.store")
        engine = open_engine(settings.store_url)
        stack.push_async_callback(engine.dispose)
        kept = KeptCheckpoint(keyring)
        journal = Journal(engine, f"wardgate/node/{settings.agency}", keychain.signing_key, clock, kept)
        await journal.open()
        write_public(settings.data_dir / KEY_FILE, journal.key.text().encode())
        stack.push_async_callback(journal.aclose)
        executor = ThreadPoolExecutor(max_workers=2, thread_name_prefix="work")
        stack.callback(executor.shutdown, wait=False)
        policy = await open_policy(
            PolicyChoice(
                engine=settings.policy.engine,
                server_url=settings.policy.server_url,
                bundle_dir=settings.policy.bundle_dir,
                bundle_key=read_verify_key(settings.policy.bundle_key_file),
                archive=settings.data_dir / "bundles",
                cache_dir=settings.data_dir / "policy-cache",
            ),
            journal=journal,
            actor=Actor.agency(settings.agency),
            stack=stack,
            clock=clock,
        )
        channel = RotatingChannel(settings.gateway.address, settings.gateway.party, KeyringCertificates(keyring))
        stack.push_async_callback(channel.close, None)
        renewal = Renewal(
            keyring=keyring,
            party=settings.party,
            signing_key=keychain.signing_key,
            channel=channel,
            enrolment_address=settings.gateway.enrolment_address,
            clock=clock,
        )
        following = await begin_following(
            settings,
            keychain,
            engine=engine,
            journal=journal,
            channel=channel,
            keyring=keyring,
            clock=clock,
        )
        yield Foundation(
            settings=settings,
            keyring=keyring,
            keychain=keychain,
            engine=engine,
            journal=journal,
            executor=executor,
            policy=policy,
            vault=Vault(keychain.data_key),
            users=UsersFile(settings.users_file),
            channel=channel,
            renewal=renewal,
            following=following,
            clock=clock,
        )
