"""What the auditors do on a machine of their own, which is no part of the federation."""
