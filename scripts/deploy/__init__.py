"""What keeps deploy/ in step: the tools of Kubernetes without a cluster, and what is rendered from the chart."""
