"""Section [limits] of aggregator.toml: what one city takes on, whoever asks. docs/caps.md says what happens at each."""

from pydantic import Field

from protocol.city_messages import MAX_CREDIT
from service.sections import Section

OWN_DESCRIPTORS = 128


class LimitsSection(Section):
    """Caps on connections, work in flight, memory, disk, and on what one edge node may invent."""

    max_connections: int | None = Field(default=None, ge=8, description="TCP connections; absent: 2 per node + 256")
    hello_per_s: float = Field(default=200.0, gt=0, description="edge nodes admitted per second; others wait")
    hello_burst: int = Field(default=50, ge=1)
    settling_edges: int = Field(default=64, ge=1, description="nodes just admitted, not yet served once")
    in_flight_batches: int = Field(default=2048, ge=1, description="batches unacked, all nodes together")
    credit_per_edge: int = Field(default=256, ge=1, le=MAX_CREDIT)
    slow_commit_ms: int = Field(default=500, ge=1, description="slower commits than this lower the credit")
    receive_queue: int = Field(default=64, ge=1, description="messages per connection")
    send_queue: int = Field(default=256, ge=8, description="messages per connection; a node that never reads is lost")
    turn_messages: int = Field(default=512, ge=1, description="messages in one commit")
    turn_mb: int = Field(default=16, ge=1)
    memory_mb: int = Field(default=2048, ge=64, description="above it no batches are taken")
    min_free_mb: int = Field(default=256, ge=0, description="less room on the disk: no batches are taken")
    things_per_edge: int = Field(default=256, ge=1)
    streams_per_edge: int = Field(default=20_000, ge=1, description="(thing, boot) ever seen")
    spans_per_edge: int = Field(default=100_000, ge=1, description="stretches of samples with holes between them")
    gaps_per_edge: int = Field(default=100_000, ge=1, description="losses declared")
    manifest_mb_per_edge: int = Field(default=16, ge=1)
    open_tasks_per_edge: int = Field(default=64, ge=1, description="tasks of the node's own processes under way")
    quarantine_mb: int = Field(default=64, ge=0, description="content kept that contradicts what is stored")

    def connections(self, edges: int) -> int:
        """Return how many connections are let in at once."""
        return self.max_connections or 2 * edges + 256

    def descriptors(self, edges: int) -> int:
        """Return how many file descriptors the process needs: its connections and its own files."""
        return self.connections(edges) + OWN_DESCRIPTORS
