"""What waits for people of this agency: referrals, decisions, alerts."""
