import yaml
from pydantic import BaseModel, ConfigDict, Field

from tests.unit.deploy.compose import ROOT, read_compose


class Static(BaseModel):
    model_config = ConfigDict(extra="forbid")

    targets: list[str]


class Dns(BaseModel):
    model_config = ConfigDict(extra="forbid")

    names: list[str]
    type: str
    port: int
    refresh_interval: str


class Job(BaseModel):
    model_config = ConfigDict(extra="forbid")

    job_name: str
    static_configs: list[Static] = Field(default_factory=list[Static])
    dns_sd_configs: list[Dns] = Field(default_factory=list[Dns])


class Prometheus(BaseModel):
    scrape_configs: list[Job]


SERVICES = read_compose().services
TEXT = (ROOT / "deploy/prometheus.yml").read_text()
JOBS = {job.job_name: job for job in Prometheus.model_validate(yaml.safe_load(TEXT)).scrape_configs}


def test_the_api_is_scraped_on_its_port() -> None:
    [static] = JOBS["api"].static_configs
    port = SERVICES["api"].ports[0].rpartition(":")[2]
    assert static.targets == [f"api:{port}"]


def test_every_worker_is_found_by_the_name_of_its_service() -> None:
    [dns] = JOBS["workers"].dns_sd_configs
    assert dns.names == ["workers"]
    assert dns.type == "A"
    assert [str(dns.port)] == SERVICES["workers"].expose


def test_the_file_is_mounted_where_prometheus_looks() -> None:
    mounts = SERVICES["prometheus"].volumes
    assert "./deploy/prometheus.yml:/etc/prometheus/prometheus.yml:ro" in mounts
