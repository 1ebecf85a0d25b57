"""Teams and case grants: what stands, who changes it, and whose queries end with it."""
